//! The room as a whole: what is answered, and what clients may do to the server.

mod answers;

mod connections;

mod endings;

mod figures;

mod front;

mod lines;

mod registrations;
