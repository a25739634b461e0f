//! Physical quantities in the steps in which Hoymiles devices count them, so that equal readings
//! are equal and one quantity is never passed for another.

/// A fixed-point quantity: a count of steps, and how many steps make one unit.
macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident, $steps:literal, $from:ident, $unit:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i32);

        impl $name {
            #[doc = concat!("A count of 1/", stringify!($steps), " ", $unit, ".")]
            pub const fn $from(steps: i32) -> Self {
                Self(steps)
            }

            #[doc = concat!("The raw count of 1/", stringify!($steps), " ", $unit, ".")]
            pub const fn steps(self) -> i32 {
                self.0
            }

            #[doc = concat!("In ", $unit, ".")]
            pub fn as_f64(self) -> f64 {
                f64::from(self.0) / f64::from($steps)
            }

            #[doc = concat!("The nearest step to a value in ", $unit, ".")]
            #[expect(clippy::cast_possible_truncation, reason = "`as` saturates, which is meant")]
            pub fn nearest(value: f64) -> Self {
                Self((value * f64::from($steps)).round() as i32)
            }

            /// The sum, held at the largest value that fits.
            #[must_use]
            pub const fn saturating_add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!("{} ", $unit), self.as_f64())
            }
        }
    };
}

quantity! {
    /// Electric potential, PV side or grid side.
    Volts, 10, from_tenths, "V"
}
quantity! {
    /// Electric potential as energy meters count it, ten times as fine as inverters do.
    MeterVolts, 100, from_hundredths, "V"
}
quantity! {
    /// Electric current, PV side or grid side.
    Amperes, 100, from_hundredths, "A"
}
quantity! {
    /// Active power.
    Watts, 10, from_tenths, "W"
}
quantity! {
    /// Reactive power, signed.
    Vars, 10, from_tenths, "var"
}
quantity! {
    /// Grid frequency.
    Hertz, 100, from_hundredths, "Hz"
}
quantity! {
    /// Temperature of an inverter, signed.
    Celsius, 10, from_tenths, "°C"
}
quantity! {
    /// Power factor, signed, 1000 steps to 1.
    PowerFactor, 1000, from_thousandths, "(of 1)"
}
quantity! {
    /// Share of the rated power to which an inverter is limited.
    Percent, 10, from_tenths, "%"
}

/// Energy, counted in whole watt hours. Never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WattHours(u64);

impl WattHours {
    /// That many watt hours.
    pub const fn new(watt_hours: u64) -> Self {
        Self(watt_hours)
    }

    /// In watt hours.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sum, held at the largest value that fits.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, 0 at least.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl std::fmt::Display for WattHours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} Wh", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_of_steps_reads_as_its_unit() {
        assert_eq!(Volts::from_tenths(2354).to_string(), "235.4 V");
        assert_eq!(Celsius::from_tenths(-35).as_f64().to_string(), "-3.5");
        assert_eq!(Amperes::nearest(5.09), Amperes::from_hundredths(509));
    }
}
