"""What leaves the house of a signed record: the report as PDF, its differential as CSV, HL7 v2.5.1 and FHIR R4."""
