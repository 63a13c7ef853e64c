"""Estimators of gaze, hand joints or the iris: what they predict, and how they are trained."""
