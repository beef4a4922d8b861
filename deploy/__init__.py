"""How Carillon is run: on one machine (`local`), and the files for containers, brokers and watching."""
