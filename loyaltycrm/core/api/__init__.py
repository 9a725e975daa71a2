"""What every part of the API shares: keys, the error shape, strict bodies, effects that happen once.

Apps declare routers in their `api` modules; `loyaltycrm.shop.api` joins them.
"""
