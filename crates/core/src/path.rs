//! Who stood where: vantage points and hops.
