"""`deploy/dependencies`: what is declared, locked, licensed and known of."""
