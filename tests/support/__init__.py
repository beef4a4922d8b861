"""What tests share: servers, a database and a vhost for each test, and waiting without sleeping."""
