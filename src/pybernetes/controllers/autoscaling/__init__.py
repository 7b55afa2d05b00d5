"""What the horizontal pod autoscaler is made of: where metrics come from, what they propose, what is allowed."""
