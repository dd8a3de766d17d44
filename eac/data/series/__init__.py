"""The series of a period as they are gathered: scaled, mapped, and what is known ahead."""
