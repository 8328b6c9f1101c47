// Package e2e tests whole systems: the shipped kiosk core and the shipped hub,
// as programs or as processes of the test, over real brokers and real files.
//
// It stands over both programs and is the only package that may import both. It
// keeps nothing; what it must show is that nothing is lost by others:
//
//	appended = stored ∪ still queued ∪ declared, and each is counted once.
//
// The failure table (table_test.go) checks that in every cell of {append,
// publish, PUBACK, receive, commit, answer} × {fails, succeeds but is reported
// failed, is repeated, arrives late} × ten events; its faults are injected by
// the proxy of internal/e2e/faultproxy, by wrappers at the seams that kiosk/app
// and hub/app offer, or by SIGKILL at a write point.
//
// The package must not know how any part works inside.
package e2e
