// Package settings is what this kiosk must run: the settings of whoever
// installed it, and the last good plan of its hub.
//
// It stands on the line that steers, between the wire and kiosk/session: a plan
// comes down as bytes and leaves as a [Plan], whose session.Plan the flow runs.
//
// # Which plan is in force
//
// The local settings are a plan too, with bytes and an id like any other, so a
// kiosk asks something before it has heard of a hub. A plan from the hub goes
// before it; what that leaves out (a touchpoint, say) stays as it is locally.
// The id of a plan is the hash of the hub's bytes, whatever was filled in.
//
// Words that a plan leaves out are filled in by this package from assets/survey,
// which has them in eight languages for each scale.
//
// # What survives a crash
//
// The hub's last good plan, verbatim, in the file [PlanFile] of the data folder:
// [Plans.Take] returns when the disk has it. A plan that cannot be run is
// refused in a sentence, and so is a file that holds one: the kiosk goes on with
// what it has.
//
// The package must not know MQTT, journals or screens.
package settings
