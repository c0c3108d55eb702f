"""What all tests share: laws are judged by what they find, not by how long a busy machine takes to look."""

from hypothesis import HealthCheck, settings

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
