//! The vectors name fields as hoymiles-wifi does; our own `.proto` says what they mean.

use serde_json::Value;

/// The value with its fields under our names.
pub(super) fn ours(value: Value, message: Option<&str>) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (our_name(&name, message).to_owned(), ours(value, message)))
            .collect(),
        Value::Array(values) => values.into_iter().map(|value| ours(value, message)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

fn our_name<'a>(theirs: &'a str, message: Option<&str>) -> &'a str {
    match (message, theirs) {
        (Some("InfoDataReqDTO"), "time") => return "timestamp",
        (Some("APPInfoDataReqDTO"), "pv_info") => return "inverters",
        _ => {}
    }
    NAMES.iter().find(|(name, _)| *name == theirs).map_or(theirs, |&(_, ours)| ours)
}

const NAMES: [(&str, &str); 74] = [
    ("app_features", "features"),
    ("crc_checksum", "crc"),
    ("current_phase_A", "current_a"),
    ("current_phase_B", "current_b"),
    ("current_phase_C", "current_c"),
    ("dev_kind", "device_kind"),
    ("device_nub", "inverter_count"),
    ("device_number", "inverter_count"),
    ("device_serial_number", "dtu_serial"),
    ("dtu_hw", "hw"),
    ("dtu_hw_version", "hw"),
    ("dtu_info", "dtu"),
    ("dtu_rf_hw", "rf_hw"),
    ("dtu_rf_sw", "rf_sw"),
    ("dtu_rule_id", "rule_id"),
    ("dtu_serial_number", "dtu_serial"),
    ("dtu_sn", "dtu_serial"),
    ("dtu_step_time", "step_time"),
    ("dtu_sw", "sw"),
    ("dtu_sw_version", "sw"),
    ("e_time", "end"),
    ("energy_phase_A", "exported_a"),
    ("energy_phase_A_consumed", "imported_a"),
    ("energy_phase_B", "exported_b"),
    ("energy_phase_B_consumed", "imported_b"),
    ("energy_phase_C", "exported_c"),
    ("energy_phase_C_consumed", "imported_c"),
    ("energy_total_consumed", "imported"),
    ("energy_total_power", "exported"),
    ("firmware_version", "ver"),
    ("mDtuInfo", "dtu"),
    ("meter_data", "meters"),
    ("mi_to_sn", "inverter_serials"),
    ("modulation_index_signal", "signal"),
    ("mpvInfo", "inverters"),
    ("num", "number"),
    ("package_nub", "package_count"),
    ("package_number", "package_count"),
    ("phase_A_power", "power_a"),
    ("phase_C_power", "power_c"),
    ("phase_total_power", "power"),
    ("port_number", "port"),
    ("power_factor_phase_A", "power_factor_a"),
    ("power_factor_phase_B", "power_factor_b"),
    ("power_factor_phase_C", "power_factor_c"),
    ("power_factor_total", "power_factor"),
    ("pv_data", "ports"),
    ("pv_gpf", "grid_profile_version"),
    ("pv_gpf_code", "grid_profile_code"),
    ("pv_grid_profile", "grid_profile_version"),
    ("pv_grid_profile_code", "grid_profile_code"),
    ("pv_hw", "hw"),
    ("pv_hw_part_number", "hw_part_number"),
    ("pv_hw_pn", "hw_part_number"),
    ("pv_hw_version", "hw"),
    ("pv_nub", "port_count"),
    ("pv_number", "port_count"),
    ("pv_serial_number", "serial"),
    ("pv_sn", "serial"),
    ("pv_sw", "sw"),
    ("pv_sw_version", "sw"),
    ("s_time", "start"),
    ("serial_number", "serial"),
    ("sgs_data", "single_phase"),
    ("tgs_data", "three_phase"),
    ("voltage_line_AB", "voltage_ab"),
    ("voltage_line_BC", "voltage_bc"),
    ("voltage_line_CA", "voltage_ca"),
    ("voltage_phase_A", "voltage_a"),
    ("voltage_phase_B", "voltage_b"),
    ("voltage_phase_C", "voltage_c"),
    ("w_data1", "data1"),
    ("warn_device", "device"),
    ("warns", "events"),
];
