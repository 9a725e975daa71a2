"""What rewards gives to connected tills and web shops: visits, points, codes."""
