"""What a customer is expected to bring: BG/NBD for purchases, Gamma-Gamma for spend, by maximum likelihood.

`histories` reads what each customer did, `bgnbd` and `gamma_gamma` are the two models as pure functions, `fit` holds
them against the shop's own data. docs/value.md has the formulas and their limits. Time is in weeks, money in units of
the currency, as in the literature.
"""

# The fit is shown for customers with so many purchases, the last of them standing for more.
MOST_PURCHASES = 7
