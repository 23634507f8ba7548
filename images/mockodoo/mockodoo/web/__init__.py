"""HTTP: sessions, routes of addons' controllers, and the application that brings them together."""
