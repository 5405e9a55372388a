//! Token Binding for the Apache HTTP Server.
