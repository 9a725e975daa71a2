"""The sample shop: a bakery with three counters, two years of visits, made from a seed by the product's own code."""
