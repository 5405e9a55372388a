//! Plots as SVG. They hold no fonts: whoever shows them brings one.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const INK: RGBColor = RGBColor(40, 40, 40);
const FAINT: RGBColor = RGBColor(200, 200, 200);
const GOAL: RGBColor = RGBColor(190, 40, 40);
const COLOURS: [RGBColor; 3] = [RGBColor(31, 110, 180), RGBColor(230, 140, 30), RGBColor(60, 150, 80)];
const FONT: &str = "sans-serif";

/// A value with the middle half of what was measured, if that is not one number.
pub struct Bar {
    pub label: String,
    pub value: f64,
    pub range: Option<(f64, f64)>,
    pub shown: String,
    /// Bars of one colour are of one kind.
    pub kind: usize,
}

/// Bars from left to right, with a line where the goal is.
pub struct Bars<'a> {
    pub title: &'a str,
    pub kinds: &'a [&'a str],
    pub goal: (f64, &'a str),
    pub largest: f64,
    pub bars: Vec<Bar>,
}

impl Bars<'_> {
    pub fn draw(&self, path: &Path) {
        const LEFT: i32 = 280;
        const WIDTH: i32 = 520;
        const TOP: i32 = 84;
        const ROW: i32 = 30;
        let height = TOP + ROW * self.bars.len() as i32 + 20;
        let area = SVGBackend::new(path, (900, height as u32)).into_drawing_area();
        area.fill(&WHITE).unwrap();
        let x = |value: f64| {
            LEFT + (value.clamp(0.0, self.largest) / self.largest * f64::from(WIDTH)).round() as i32
        };
        text(&area, self.title, (16, 24), 18, INK, HPos::Left);
        let mut place = 16;
        for (kind, name) in self.kinds.iter().enumerate() {
            area.draw(&Rectangle::new([(place, 44), (place + 14, 58)], COLOURS[kind].filled())).unwrap();
            text(&area, name, (place + 20, 51), 14, INK, HPos::Left);
            place += 50 + 8 * name.len() as i32;
        }
        for (row, bar) in self.bars.iter().enumerate() {
            let middle = TOP + ROW * row as i32 + ROW / 2;
            text(&area, &bar.label, (LEFT - 10, middle), 14, INK, HPos::Right);
            let colour = COLOURS[bar.kind];
            area.draw(&Rectangle::new([(LEFT, middle - 9), (x(bar.value), middle + 9)], colour.filled()))
                .unwrap();
            let mut end = x(bar.value);
            if let Some((lower, upper)) = bar.range {
                let (lower, upper) = (x(lower), x(upper));
                area.draw(&PathElement::new([(lower, middle), (upper, middle)], INK.stroke_width(1)))
                    .unwrap();
                for mark in [lower, upper] {
                    area.draw(&PathElement::new(
                        [(mark, middle - 4), (mark, middle + 4)],
                        INK.stroke_width(1),
                    ))
                    .unwrap();
                }
                end = end.max(upper);
            }
            // Not on the goal's line.
            let at_goal = x(self.goal.0);
            if (end..end + 60).contains(&at_goal) {
                end = at_goal;
            }
            text(&area, &bar.shown, (end + 8, middle), 14, INK, HPos::Left);
        }
        let (goal, bottom) = (x(self.goal.0), TOP + ROW * self.bars.len() as i32);
        area.draw(&PathElement::new([(goal, TOP - 4), (goal, bottom + 4)], GOAL.stroke_width(2))).unwrap();
        text(&area, self.goal.1, (goal, TOP - 12), 14, GOAL, HPos::Center);
        area.draw(&PathElement::new([(LEFT, TOP), (LEFT, bottom)], INK.stroke_width(1))).unwrap();
        area.present().unwrap();
    }
}

/// Lines over one axis, from zero.
pub struct Lines {
    pub title: String,
    pub x: String,
    pub y: String,
    pub curves: Vec<(String, Vec<(f64, f64)>)>,
}

impl Lines {
    /// Draws them beside and below each other.
    pub fn draw_all(all: &[Self], path: &Path) {
        let columns = all.len().min(2);
        let rows = all.len().div_ceil(columns);
        let area = SVGBackend::new(path, (900, 330 * rows as u32)).into_drawing_area();
        area.fill(&WHITE).unwrap();
        for (lines, area) in all.iter().zip(area.split_evenly((rows, columns))) {
            lines.draw(&area);
        }
        area.present().unwrap();
    }

    fn draw(&self, area: &DrawingArea<SVGBackend<'_>, Shift>) {
        let points = || self.curves.iter().flat_map(|(_, points)| points);
        let right = points().map(|point| point.0).fold(1.0, f64::max);
        let top = points().map(|point| point.1).fold(1.0, f64::max) * 1.5;
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .margin_right(24)
            .caption(&self.title, (FONT, 17).into_font().color(&INK))
            .x_label_area_size(44)
            .y_label_area_size(76)
            .build_cartesian_2d(0.0..right, 0.0..top)
            .unwrap();
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(FAINT)
            .light_line_style(TRANSPARENT)
            .axis_style(INK)
            .label_style((FONT, 14).into_font().color(&INK))
            .x_desc(&self.x)
            .y_desc(&self.y)
            .x_labels(6)
            .y_labels(6)
            .x_label_formatter(&|value| crate::statistics::grouped(*value))
            .y_label_formatter(&|value| crate::statistics::grouped(*value))
            .draw()
            .unwrap();
        for ((name, points), colour) in self.curves.iter().zip(COLOURS) {
            chart
                .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))
                .unwrap()
                .label(name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
            if points.len() <= 20 {
                let dots = points.iter().map(|point| Circle::new(*point, 3, colour.filled()));
                chart.draw_series(dots).unwrap();
            }
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .label_font((FONT, 14).into_font().color(&INK))
            .background_style(WHITE.mix(0.8))
            .draw()
            .unwrap();
    }
}

fn text(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    words: &str,
    at: (i32, i32),
    size: i32,
    colour: RGBColor,
    side: HPos,
) {
    let style = (FONT, size).into_font().color(&colour).pos(Pos::new(side, VPos::Center));
    area.draw(&Text::new(words.to_owned(), at, style)).unwrap();
}
