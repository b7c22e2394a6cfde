"""What a server that speaks the partner API of RDV-Solidarités promises, as tests of any server: an address, and the
directory file that was applied to it.

    pytest --pyargs conformance --address https://rdv.agence.example --directory directory.json

Nothing of the server's own code is imported: what is tested is what a client of it can see.
"""
