//! What users of other programs reported about Hoymiles devices and their bridges, and what this
//! bridge makes of it: one row for each case, tried with real sockets.
//!
//! Numbers have gaps where a case concerns values that no DTU has. Serial numbers behind their
//! prefixes, addresses and names are made up. The sources are issues of public repositories:
//!
//! - AH: lumapu/ahoy
//! - AK: ArekKubacki/Hoymiles-Plant-DTU-Pro
//! - DE: DennisOSRM/hms-mqtt-publisher
//! - DG: ohAnd/dtuGateway
//! - DM: dmslabsbr/hoymiles
//! - HA: suaveolent/ha-hoymiles-wifi
//! - HC: home-assistant/core
//! - HW: suaveolent/hoymiles-wifi
//! - L3: `l3arning2do/hoymiles_hms_wifi_mqtt`
//! - OB: hoylabs/OpenDTU-OnBattery
//! - OD: tbnobody/OpenDTU
//! - WM: `wasilukm/hoymiles_modbus`
//! - WQ: wasilukm/hoymiles-mqtt

mod device;
mod lists;
mod totals;
mod words;

/// A row: name, sources, what happens, what is right, and the trial.
macro_rules! reports {
    ($($name:ident, $sources:literal, $happens:literal, $right:literal, $trial:path;)*) => {$(
        #[doc = concat!($sources, ": ", $happens, ". Right: ", $right, ".")]
        #[tokio::test]
        async fn $name() {
            crate::support::print(concat!(stringify!($name), " (", $sources, "): ", $happens));
            $trial().await;
        }
    )*};
}

#[rustfmt::skip]
reports! {
    case_02, "OD#1022", "one of two ports is not known in the first poll", "no total until it is, then 290,004 Wh at once", totals::first_poll_without_a_port;
    case_04, "OD#3025, OD#2688, OB#181, OB#1905", "fed by a battery, the daily counter never starts again", "today is 0 at first sight and at midnight, and grows with the lifetime", totals::battery_fed_over_midnight;
    case_06, "AK#36", "an HMT out of reach reads all zero, alarm 9", "no values; `read` calls no alarm present", lists::unreached_three_phase_inverter;
    case_07, "OD#2412, AK#46, AH#1516", "serial numbers have letters", "they are found and excluded in either case", lists::letters_in_serial_numbers;
    case_08, "OD#714, OD#2742, WQ#36, HW#33, HA#55, HA#155", "prefixes that nobody has listed", "all 32 are read; the unknown ones show their prefix", lists::new_prefixes;
    case_09, "OD#2742", "an MIT-5000-8T: 8 ports, 78 V, 14.2 A, 1107 W, mains 400 V", "as sent", lists::eight_ports_of_high_power;
    case_10, "L3", "signals of HMS-…W inverters as pairs of counts", "97 %, and none if more replies than requests are counted", lists::signals_of_wireless_inverters;
    case_14, "AH#773, OD#401, OD#1397", "the inverter restarts at noon, its daily counter is 0", "today goes on", totals::restart_of_the_inverter_at_noon;
    case_15, "OD#2730, HC#114630", "the bridge restarts at night, the DTU sends zeros", "62,642 Wh all the time, then 62,650", totals::restart_of_the_bridge_at_night;
    case_17, "a DTU captured on 2022-03-18", "it has just restarted when it is first seen: two ports of four have counters", "no total, then 226,036 Wh", totals::first_sight_of_a_restarted_dtu;
    case_18, "HA#33, HA#51, HA#71", "a second inverter turns up later, with 900 kWh", "the plant's total grows by what is produced", totals::inverters_that_turn_up_later;
    case_20, "HA#114, HA#148, AH#1189, wills106/homeassistant-solax-modbus#849", "another Modbus device has the address", "it is not a DTU; nothing of it is shown", lists::foreign_modbus_device;
    case_22, "HA#114, HA#163", "somebody else's DTU has the address", "it is refused with both serial numbers; totals stay", lists::another_dtu_at_the_address;
    case_23, "AK#2, OD PR 1893", "record 2 of 6 is never answered, or with an exception", "the other five are read, the DTU is online, the record is named", lists::one_unreadable_record;
    case_25, "StealthChesnut/HA-FoxESS-Modbus#64", "an address with leading zeros, typed off a display", "refused, with the right form", words::leading_zeros;
    case_27, "evcc-io/evcc#14430, evcc-io/evcc#15095", "an HMS-800W-2T is set up as Modbus", "log, `read` and `doctor` name protobuf", words::the_other_protocol;
    case_29, "HA#189, HA#191, HA#214, HW#106, HW#37", "a HiFlow or a storage: no open port", "log, `read` and `doctor` name them", words::devices_without_a_port;
    case_30, "HA#213, HA#14", "the DTU needs longer than `timeout`", "the remedy is a longer one", words::slow_and_silent_dtus;
    case_31, "kbialek/deye-inverter-mqtt#45, marcoraddatz/homebridge-docker#32, RaymondMouthaan/node-red-homekit-docker#3", "`TZ` is set for the container", "it counts", words::variable_tz;
    case_32, "HC#92360", "an offset as time zone: GMT+2", "refused, without proposing another offset", words::offsets_for_time_zones;
    case_34, "HA#157, HA#36", "a URL, a port or brackets in the host", "refused with the right form, by file and `read` alike", words::hosts_in_other_forms;
    case_35, "HW#48, HA#25", "the DTU's clock jumps, starts again, or stands still", "a jump costs one poll; values that differ are new", totals::wrong_clocks_of_dtus;
    case_36, "hassio-addons/app-zwave-js-ui#338, mKeRix/room-assistant#322, robocopklaus/hassio-addon-blocky#314", "the DTU is off: the health page is bad", "by design; the add-on's documents name the watchdog", words::health_page_of_a_dead_dtu;
    case_37, "HA#77, HW#87", "connects and never answers", "other programs, protocol, time limit and firewall are named", words::connects_and_never_answers;
    case_38, "HA#177", "an old program answers app info only", "as a DTU that never answers", lists::no_values_from_an_old_program;
    case_39, "OD#1473", "430 W to the mains, 35 W from the panels", "as sent", lists::more_power_to_the_mains_than_from_the_panels;
    case_40, "a guess after HW#18 and HW#37", "app info is never answered", "no values, for its versions and key are needed", lists::no_answer_about_itself;
    case_42, "DG#124, DM#43", "special characters in passwords", "taken; a wrong escape is named without the secret", words::passwords_with_special_characters;
    case_43, "DM#65, DM#117", "options of the add-on are missing, empty or null", "defaults, or the key is named", words::options_of_the_add_on;
    case_44, "marklagendijk/node-toogoodtogo-watcher#61, slamanna212/MatchExec#61", "a folder cannot be written, a folder is in the place of a file", "goes on in memory; the path is named", words::folders_and_files_that_cannot_be_used;
    case_45, "ohAnd/dtuGateway", "files of Windows, in other encodings, and none of TOML", "BOM and CRLF are taken, others refused with the line", words::files_of_other_systems;
    case_46, "DE#104, AH#1189, HA#138, HA#73, WM#17, AK#26, HW#16", "the DTU refuses for a while; three phases", "one line for each outage, then values; three voltages", lists::refused_for_a_while;
    case_47, "HA#25", "every third reading is zeros, in three ways", "energies and powers stand", totals::readings_of_zeros;
    case_48, "OB#1829", "the panels are in the shade until noon", "asleep at night, an error from 10:00 on (by design)", lists::shade_until_noon;
    case_49, "AK#4", "each answer takes 20 s, 18 ports", "healthy all the time, from the first answer on", lists::only_slow_requests_are_answered;
}
