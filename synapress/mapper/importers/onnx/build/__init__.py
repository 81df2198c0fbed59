"""What several operators are built of; these files import no operator."""
