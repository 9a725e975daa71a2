"""A sale as connected tills send it, with its lines and the codes used on it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from django.utils.translation import gettext as _
from pydantic import BaseModel, Field, StringConstraints

from customers.actions.visit_lines import ReceiptLine
from customers.models import Customer, VisitChannel
from loyaltycrm.core.api.errors import ApiError, invalid_field
from loyaltycrm.core.api.strict import Body, Cents, Instant, Number, Text
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import ApiKey, KeyKind, Store
from rewards.actions.codes import NO_CODES, CodesOnSale, codes_for, sale_of, spread
from rewards.actions.earning import Details
from rewards.actions.partners import partner_named
from rewards.programme import BasketLine

MOST_LINES = 200
MOST_POINTS = 2**53
Quantity = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{1,8}(\.[0-9]{1,3})?$"),
    Field(description="A text, so that no digit is lost: `3` or `0.350`."),
]
Code = Annotated[str, StringConstraints(min_length=1, max_length=40)]


class LineBody(Body):
    """One line of the receipt. What the product list knows need not be sent; an unknown product is added to it."""

    net_cents: Cents = Field(description="What was paid for the whole line.")
    discount_cents: Cents = Field(default=0, description="What it would have cost beyond that.")
    quantity: Quantity = "1"
    product: Annotated[str, StringConstraints(max_length=64)] = ""
    name: Annotated[str, StringConstraints(max_length=200)] = ""
    category: Annotated[str, StringConstraints(max_length=120)] = ""
    department: Annotated[str, StringConstraints(max_length=80)] = ""
    is_gift_card: bool = False

    def for_rules(self, paid_cents: int) -> BasketLine:
        """The line as the programme judges it, by what was paid for it after codes."""
        return BasketLine(paid_cents, self.product.strip(), self.category, self.department, self.is_gift_card)

    def to_keep(self) -> ReceiptLine:
        """The line as it stands on the receipt."""
        return ReceiptLine(
            net_cents=self.net_cents,
            discount_cents=self.discount_cents,
            quantity=Decimal(self.quantity),
            product=self.product.strip(),
            name=self.name,
            category=self.category,
            department=self.department,
        )


class SaleBody(Body):
    """What was paid, in cents of the programme's currency."""

    net_cents: Cents
    payment: Literal["cash", "card", "mobile", "points", ""] = ""
    channel: Literal["api", "web"] | None = Field(
        default=None, description="Default: `web` for the key of a web shop, else `api`."
    )
    occurred_at: Instant | None = Field(default=None, description="Default: now.")
    lines: list[LineBody] = Field(default=[], max_length=MOST_LINES)
    paid_with_points_cents: Cents = 0
    tax_cents: Cents | None = None
    partner: Annotated[str, StringConstraints(max_length=20)] = Field(
        default="", description="The code of the partner at which it was bought, for rules that ask for it."
    )
    codes: list[Code] = Field(default=[], max_length=20, description="Codes of the customer to use with the visit.")
    item_cents: Cents | None = Field(
        default=None, description="The price of the item that a code is for, where no lines are sent."
    )

    @property
    def before_codes_cents(self) -> int:
        """What there was to pay before the codes."""
        return self.net_cents

    def check(self) -> None:
        """Raise `ApiError` for lines that do not add up, parts larger than the whole, a partner that there is not."""
        for part in ("paid_with_points_cents", "tax_cents"):
            if (getattr(self, part) or 0) > self.net_cents:
                raise invalid_field(part, _("Enter no more than the amount paid"))
        if self.lines and sum(line.net_cents for line in self.lines) != self.before_codes_cents:
            raise ApiError(422, "lines_do_not_add_up", _("The lines do not add up to what was paid."), field="lines")
        if self.partner:
            try:
                partner_named(self.partner)
            except Refused as refusal:
                raise invalid_field(refusal.field or "partner", str(refusal)) from None

    def paid_lines(self, off_cents: int) -> list[ReceiptLine]:
        """The lines as they stand on the receipt when codes took `off_cents` off the whole of it."""
        return spread([line.to_keep() for line in self.lines], off_cents)

    def details(self, codes: CodesOnSale, off_cents: int) -> Details:
        """What the programme may ask for beyond the amount, after codes that take `off_cents` off.

        It judges the lines by the cents that the receipt keeps for them: a refund gives back no more than those, so a
        line that came back whole is gone.
        """
        paid = self.paid_lines(off_cents)
        return Details(
            lines=tuple(line.for_rules(kept.net_cents) for line, kept in zip(self.lines, paid, strict=True)),
            paid_with_points_cents=self.paid_with_points_cents,
            tax_cents=self.tax_cents,
            partner=self.partner,
            extra=codes.extra,
        )

    def codes_on(self, customer: Customer | None, store: Store, day: date) -> CodesOnSale:
        """What the codes give on this sale. Raises `Refused` for one that cannot be used, or without a customer."""
        if not self.codes:
            return NO_CODES
        if customer is None:
            raise Refused(_("A code is used by its customer. Find the customer first."), field="codes")
        lines = [line.to_keep() for line in self.lines]
        sale = sale_of(
            store=store, amount_cents=self.before_codes_cents, day=day, lines=lines, item_cents=self.item_cents
        )
        try:
            return codes_for(self.codes, customer=customer, sale=sale)
        except Refused as refusal:
            refusal.field = "codes" if refusal.field == "code" else refusal.field
            raise

    def channel_of(self, key: ApiKey) -> str:
        """The channel that was sent, else that of the key."""
        return self.channel or (VisitChannel.WEB if key.kind == KeyKind.WEB else VisitChannel.API)


class PreviewBody(SaleBody):
    """A sale that may come. With codes, `net_cents` and the lines are what there is to pay before them."""

    customer: Number


class VisitBody(SaleBody):
    """A sale. Without a customer it is counted and earns nothing.

    With codes, `net_cents` is what was paid after them, and the lines have their prices before them.
    """

    receipt: Number = Field(description="Your number for it, unique in your store for ever.")
    customer: Number | None = None
    discount_cents: Cents = Field(default=0, description="All that was taken off, by codes too.")
    codes_off_cents: Cents = Field(
        default=0, description="What the codes took off, as the preview said; another sum is refused."
    )
    note: Text = ""
    points_shown: Annotated[int, Field(ge=0, le=MOST_POINTS)] | None = Field(
        default=None,
        description="The points that you worked out or printed yourself. They are only compared: the visit earns what "
        "is found here, and `points_differ` of the answer says whether it is another number.",
    )
    redemptions: list[Annotated[int, Field(ge=1, le=2**53)]] = Field(
        default=[],
        max_length=20,
        description="Uses of points made just before in your store, which belong to this visit: refunds return them.",
    )

    @property
    def before_codes_cents(self) -> int:
        return self.net_cents + self.codes_off_cents

    def codes_used(self, customer: Customer | None, store: Store) -> CodesOnSale:
        """What the codes give. Raises `ApiError` where the till took off another sum."""
        codes = self.codes_on(customer, store, store.business_date())
        if codes.off_cents != self.codes_off_cents or self.codes_off_cents > self.discount_cents:
            words = _("The codes take off %(cents)s cents here. Send that in codes_off_cents and in discount_cents.")
            raise ApiError(422, "codes_differ", words % {"cents": codes.off_cents}, field="codes_off_cents")
        return codes


class AddendAnswer(BaseModel):
    """One reason for points; `rule` is its key in the programme, null where the rules are not known any more."""

    rule: str | None
    words: str = Field(description="The reason as a till may show it.")
    points: int


class CodeAnswer(BaseModel):
    """What a code takes off a sale; what it gives in points is among the addends."""

    code: str
    name: str
    off_cents: int


class PreviewAnswer(BaseModel):
    """What recording such a sale now would do. Nothing was changed."""

    to_pay_cents: int
    volume_discount_cents: int = Field(
        description="What the programme's volume discount takes off this amount. It is not taken off here: do so, "
        "ask again with what is left, and send it in `discount_cents` of the visit."
    )
    codes: list[CodeAnswer]
    points: int
    addends: list[AddendAnswer]
    balance_before: int
    balance_after: int
    pending: int = Field(description="Points among them that cannot be used before `opens_on`.")
    opens_on: date | None
