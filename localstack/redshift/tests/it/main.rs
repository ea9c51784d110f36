//! The stand-in, asked by the real SDK. What Redshift does is asserted a fact at a time.

mod cloud;
