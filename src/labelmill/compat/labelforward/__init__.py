"""The contract of LabelForward: ``/api/users``, ``/api/login``, ``/api/texts``, ``/api/monitor``, and its Redis channels."""
