//go:build soak

package e2e

import (
	"syscall"
	"testing"
	"time"

	"sourire/internal/e2e/summary"
	"sourire/internal/mosquittotest"
)

// TestSoak_hubs kills and stops the hub that ingests, in turn, under a load of a
// hundred kiosks. What hung goes on when it likes: while the other ingests, or
// just when that is about to take over.
func TestSoak_hubs(t *testing.T) {
	const rounds = 20
	c := newCrew(t, mosquittotest.Start(t, mosquittotest.Options{}).URL())
	c.program, _ = buildPrograms(t)
	first, second := c.start("a"), c.start("b")
	until(t, "a hub ingests", time.Minute, func() bool { return first.ingesting() || second.ingesting() })
	fleet := c.burst(100, 3600)
	fleet.goesOn(200)
	var killed, hung time.Duration
	for round := range rounds {
		if !first.ingesting() {
			first, second = second, first
		}
		saysWithin(t, first.web, ingests, time.Minute)
		saysWithin(t, second.web, first.web+" ingests", time.Minute)
		switch round % 3 {
		case 0:
			first.kill()
			killed = max(killed, saysWithin(t, second.web, ingests, takeOverWithin))
			fleet.goesOn(100)
			first = c.start(first.name)
		case 1: // it wakes beside the other
			first.signal(syscall.SIGSTOP)
			hung = max(hung, saysWithin(t, second.web, ingests, takeOverWithin))
			first.signal(syscall.SIGCONT)
		case 2: // it wakes when it is about to lose its place, or has just lost it
			first.signal(syscall.SIGSTOP)
			<-time.After(4500*time.Millisecond + time.Duration(round)*40*time.Millisecond)
			first.signal(syscall.SIGCONT)
			until(t, "a hub ingests", takeOverWithin, func() bool { return first.ingesting() || second.ingesting() })
		}
		fleet.goesOn(100)
	}
	fleet.settle()
	sum := c.agree()
	summary.Line("two hubs on Mosquitto and PostgreSQL, 100 kiosks: %d take-overs, %d presses, killed: taken over within %v, hung: within %v: %s",
		rounds, sum.Pressed, killed.Round(time.Millisecond), hung.Round(time.Millisecond), verdict(t))
}

// TestSoak_cluster kills the node that the hub is on, again and again.
func TestSoak_cluster(t *testing.T) {
	const rounds, kiosks = 8, 60
	longest, pressed := clusterRounds(t, rounds, kiosks)
	summary.Line("a cluster of three NATS servers, %d kiosks: the hub's node killed %d times, %d presses, they went on within %v: %s",
		kiosks, rounds, pressed, longest.Round(time.Millisecond), verdict(t))
}
