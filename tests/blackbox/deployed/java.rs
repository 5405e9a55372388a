//! Two Tomcats behind a balancer, one by AJP and one by HTTP, with sticky sessions.

use std::fmt::Write as _;
use std::process::Stdio;

use httpd_harness::cookies::SECRET;
use httpd_harness::httpd::documented;
use httpd_harness::ports::free_port;
use httpd_harness::{Httpd, Setup, server};
use tokio::process::{Child, Command};

use super::{assert_bound, logged_in};

/// As a servlet container has it: the id changes at the login.
const PAGE: &str = "<%@ page session='false' contentType='text/plain' %><%
    HttpSession session = request.getSession(false);
    if (request.getParameter(\"user\") != null) {
        if (session == null) { session = request.getSession(true); } else { request.changeSessionId(); }
        session.setAttribute(\"user\", request.getParameter(\"user\"));
    }
    Object user = session == null ? null : session.getAttribute(\"user\");
    out.print(user == null ? \"log in\" : \"hello \" + user);
%>";

/// What Tomcat's own web.xml says of pages.
const DEFAULTS: &str = "<web-app xmlns='https://jakarta.ee/xml/ns/jakartaee' version='6.0'>
    <servlet><servlet-name>default</servlet-name>
        <servlet-class>org.apache.catalina.servlets.DefaultServlet</servlet-class></servlet>
    <servlet><servlet-name>jsp</servlet-name>
        <servlet-class>org.apache.jasper.servlet.JspServlet</servlet-class></servlet>
    <servlet-mapping><servlet-name>default</servlet-name><url-pattern>/</url-pattern></servlet-mapping>
    <servlet-mapping><servlet-name>jsp</servlet-name><url-pattern>*.jsp</url-pattern></servlet-mapping>
    <welcome-file-list><welcome-file>index.jsp</welcome-file></welcome-file-list>
    <session-config><tracking-mode>COOKIE</tracking-mode></session-config>
</web-app>
";

/// Where Debian has it: each release has another version.
fn home() -> &'static str {
    let places = ["/usr/share/tomcat10", "/usr/share/tomcat11"];
    places.into_iter().find(|place| std::path::Path::new(place).is_dir()).expect("Tomcat is installed")
}

/// Both in one process: two engines with a route each, which share no sessions.
async fn start(server: &Httpd, ajp: u16, http: u16) -> Child {
    let base = server.dir().join("tomcat");
    for folder in ["conf", "logs", "temp", "work", "application"] {
        std::fs::create_dir_all(base.join(folder)).unwrap();
    }
    std::fs::write(base.join("application/index.jsp"), PAGE).unwrap();
    let connectors = [
        ("one", format!("protocol='AJP/1.3' port='{ajp}' secretRequired='false'")),
        ("two", format!("port='{http}'")),
    ];
    let mut xml = "<Server port='-1'>\n".to_owned();
    for (route, connector) in connectors {
        writeln!(
            xml,
            "<Service name='{route}'><Connector address='127.0.0.1' {connector}/>\
             <Engine name='{route}' defaultHost='localhost' jvmRoute='{route}'>\
             <Host name='localhost' appBase='none'><Context path='' docBase='{0}/application'/></Host></Engine></Service>",
            base.display()
        )
        .unwrap();
    }
    std::fs::write(base.join("conf/server.xml"), xml + "</Server>\n").unwrap();
    std::fs::write(base.join("conf/web.xml"), DEFAULTS).unwrap();
    let mut command = Command::new("java");
    command
        .arg("-Xmx128m")
        .arg(format!("-Dcatalina.home={}", home()))
        .arg(format!("-Dcatalina.base={}", base.display()))
        .arg(format!("-Djava.io.tmpdir={}/temp", base.display()))
        .arg("-cp")
        .arg(format!("{0}/bin/bootstrap.jar:{0}/bin/tomcat-juli.jar", home()))
        .args(["org.apache.catalina.startup.Bootstrap", "start"])
        .stderr(Stdio::null());
    server::start(&mut command, http).await
}

#[tokio::test]
async fn sticky_sessions_of_two_tomcats() {
    let (ajp, http) = (free_port(), free_port());
    let conf = documented(
        "tomcat.conf",
        &[("127.0.0.1:8009", &format!("127.0.0.1:{ajp}")), ("127.0.0.1:8080", &format!("127.0.0.1:{http}"))],
    );
    let mut setup = Setup::with(&conf);
    setup.modules = vec!["proxy_ajp", "proxy_balancer", "lbmethod_byrequests", "slotmem_shm"];
    setup.secrets = vec![("secret", SECRET.into())];
    let server = setup.start();
    let _process = start(&server, ajp, http).await;
    // The balancer gives them to each in turn; the sealed cookie leads back to where the session is.
    for _ in 0..2 {
        let mut device = logged_in(&server).await;
        assert_bound(&server, &mut device, "JSESSIONID").await;
    }
}
