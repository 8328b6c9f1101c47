//go:build race

package screen_test

// raced says that the race detector is on, which makes drawing ten times slower.
const raced = true
