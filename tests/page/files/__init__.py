"""The section Files of the page."""
