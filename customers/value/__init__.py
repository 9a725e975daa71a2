"""What a customer is expected to bring: BG/NBD for purchases, Gamma-Gamma for spend, by maximum likelihood.

`histories` reads what each customer did, `bgnbd` and `gamma_gamma` are the two models as pure functions, `fit` holds
them against the shop's own data. docs/value.md has the formulas and their limits. Time is in weeks, money in units of
the currency, as in the literature.
"""
