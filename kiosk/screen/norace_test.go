//go:build !race

package screen_test

// raced says that the race detector is on.
const raced = false
