"""Whoever asks or suggests something wants to be heard; complaints, praise and answers are signals already."""

from rewards.choices.habits import heard_by

heard_by(
    """
    SELECT customer_id, opened_at::date AS day FROM feedback_ticket WHERE kind IN ('question', 'suggestion')
    """
)
