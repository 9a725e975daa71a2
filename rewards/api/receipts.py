"""What connected tills send and get about visits and refunds, in the shapes of the API."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from customers.actions.returned_lines import ReturnedLine
from loyaltycrm.core.api.errors import SOMETHING_SEEN
from loyaltycrm.core.api.strict import Body, Cents, Instant, Moment, Number, PageSize
from rewards.api.sales import MOST_LINES, Quantity


class ReturnedBody(Body):
    """A line of the receipt that comes back, in whole or in part."""

    line: Annotated[int, Field(ge=1, le=1_000_000)] = Field(description="Its number on the receipt; the first is 1.")
    quantity: Quantity
    net_cents: Cents = Field(description="What is given back for it.")


class RefundBody(Body):
    """Money given back on a receipt, in whole or in part."""

    receipt: Number = Field(description="The number of this refund, unique in your store for ever.")
    of_receipt: Number = Field(description="The receipt of the visit.")
    of_store: Annotated[str, StringConstraints(max_length=40)] = Field(
        default="", description="The code of the store that sold it, where that is not yours."
    )
    net_cents: Annotated[int, Field(ge=1, le=100_000_000)]
    occurred_at: Instant | None = None
    lines: list[ReturnedBody] = Field(
        default=[], max_length=MOST_LINES, description="Which goods came back; without them all of them in proportion."
    )

    def returned(self) -> list[ReturnedLine]:
        """The goods that came back."""
        return [ReturnedLine(one.line, Decimal(one.quantity), one.net_cents) for one in self.lines]


class UndoRefundBody(Body):
    """A refund that was typed by mistake."""

    receipt: Number = Field(description="The number of the refund, of your store.")


class VoidBody(Body):
    """A visit that never was."""

    receipt: Number
    reason: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=SOMETHING_SEEN)]


class VisitAnswer(BaseModel):
    """A visit of the store of the key."""

    store: str
    receipt: str
    customer: str | None
    occurred_at: Moment
    business_date: date
    net_cents: int
    discount_cents: int
    points: int = Field(description="What it earned, before any refund.")
    is_void: bool


class LineAnswer(BaseModel):
    """A line of the receipt, and what of it is back."""

    line: int
    product: str
    name: str
    quantity: str
    net_cents: int
    returned_quantity: str
    returned_cents: int


class GivenBackAnswer(BaseModel):
    """Money given back on the visit; of another store the number is not shown."""

    receipt: str | None
    business_date: date
    net_cents: int


class FoundVisitAnswer(VisitAnswer):
    """A visit as it stands: how it was paid, its goods, and what was given back on it."""

    payment: str | None
    lines: list[LineAnswer]
    refunds: list[GivenBackAnswer]
    refundable_cents: int = Field(description="The most that can still be given back.")


class RecordedAnswer(VisitAnswer):
    """A visit just recorded."""

    balance_after: int | None = Field(description="Usable points after it; null without a customer.")
    points_differ: bool = Field(description="Whether `points_shown` was another number than `points`.")


class RefundAnswer(BaseModel):
    """Money given back, or no longer given back, and the usable points after it."""

    receipt: str
    of_receipt: str
    of_store: str
    net_cents: int
    balance_after: int | None


class PastVisitAnswer(BaseModel):
    """A visit in a customer's history: of another store only the day and the points."""

    business_date: date
    points: int
    store: str | None = None
    receipt: str | None = None
    net_cents: int | None = None


class HistoryAnswer(BaseModel):
    """A page of visits, newest first; send `next` as `cursor` for the page after it."""

    items: list[PastVisitAnswer]
    next: str | None


class ReceiptQuery(BaseModel):
    """A receipt of the store of the key."""

    receipt: Number


class HistoryQuery(BaseModel):
    """A customer, and where to go on."""

    customer: Number
    cursor: Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\.[0-9]{1,18}$")] | None = None
    limit: PageSize = 20
