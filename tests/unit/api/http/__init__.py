"""The API's HTTP manners without servers."""
