"""Steering without servers: patches, schedules, forecasts, explanations."""
