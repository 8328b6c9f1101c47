package broker

import (
	"regexp"
	"strings"
	"sync"

	"github.com/nats-io/nats-server/v2/server"
)

// HubPrefix begins the client id of every connection of a hub. The underscore
// cannot be part of a kiosk's id.
const HubPrefix = "hub_"

// kioskID is what may stand as a level of a topic. The server takes a dot for a
// level separator of its own, and a space for the end of a subject.
var kioskID = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

// Role is what a connection may do. The zero Role may do nothing and is
// refused.
type Role struct {
	hub   bool
	kiosk string
}

// Hub is the role of the hub.
func Hub() Role { return Role{hub: true} }

// Kiosk is the role of one kiosk. An id that is not of the form of a kiosk's
// gives the zero Role.
func Kiosk(id string) Role {
	if !kioskID.MatchString(id) {
		return Role{}
	}
	return Role{kiosk: id}
}

// mayBe reports whether a connection with this role may carry a client id.
func (r Role) mayBe(clientID string) bool {
	if r.hub {
		return strings.HasPrefix(clientID, HubPrefix)
	}
	return r.kiosk != "" && clientID == r.kiosk
}

// permissions are the topics of a role, in the server's words: levels are
// separated by dots, ">" stands for any number of them.
func (r Role) permissions() *server.Permissions {
	if r.hub {
		all := []string{"sourire", "sourire.>"} // MQTT's sourire/# is both
		return &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: all},
			Subscribe: &server.SubjectPermission{Allow: all},
		}
	}
	own := func(levels ...string) []string {
		subjects := make([]string, len(levels))
		for i, level := range levels {
			subjects[i] = "sourire.1." + r.kiosk + "." + level
		}
		return subjects
	}
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: own("journal", "state", "health", "reply")},
		Subscribe: &server.SubjectPermission{Allow: append(own("ack", "plan", "command"), "sourire.1.hub.state")},
	}
}

// door decides who comes in. The server calls Check from the connections' own
// goroutines.
type door struct {
	authorize func(username, password string) (Role, bool)
	server    *server.Server // set before the server starts

	mu        sync.Mutex
	last      map[string]uint64 // client id: its newest connection
	takeOvers map[string]int
	refused   uint64
}

// Check implements server.Authentication.
func (d *door) Check(c server.ClientAuthentication) bool {
	opts := c.GetOpts()
	role, ok := d.authorize(opts.Username, opts.Password)
	clientID := d.clientID(c.GetID())
	if ok = ok && role.mayBe(clientID); ok {
		c.RegisterUser(&server.User{Username: opts.Username, Permissions: role.permissions()})
	}
	d.count(ok, clientID, c.GetID())
	return ok
}

// count notes a decision, and whether another connection with the same client
// id is open, which the server is about to end.
func (d *door) count(admitted bool, clientID string, connection uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !admitted {
		d.refused++
		return
	}
	if older, found := d.last[clientID]; found && d.server.GetClient(older) != nil {
		d.takeOvers[clientID]++
	}
	d.last[clientID] = connection
}

// clientID finds the MQTT client id of a connection, or "".
func (d *door) clientID(connection uint64) string {
	found, err := d.server.Connz(&server.ConnzOptions{CID: connection})
	if err != nil || len(found.Conns) != 1 {
		return ""
	}
	return found.Conns[0].MQTTClient
}
