//! Every failure has words that help, and waits as long as it asks for.
