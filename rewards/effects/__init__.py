"""What an offer changed: those who got it against those who were drawn to get nothing."""
