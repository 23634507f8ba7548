from . import BaseCase, Form, HttpCase, SavepointCase, SingleTransactionCase, TransactionCase, tagged

__all__ = ["BaseCase", "Form", "HttpCase", "SavepointCase", "SingleTransactionCase", "TransactionCase", "tagged"]
