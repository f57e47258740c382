//! The numbers a packet gets on its way to one subscriber.
