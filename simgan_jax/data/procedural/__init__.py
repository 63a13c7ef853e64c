"""Embedded simulators and cameras: pictures with exact labels, without a download."""
