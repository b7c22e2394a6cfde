"""The tests: a file is a subject, a test one promise, its marker the section of the contract."""
