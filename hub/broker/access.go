package broker

import (
	"crypto/tls"
	"reflect"
	"strings"
	"sync"

	"github.com/nats-io/nats-server/v2/server"

	"sourire/internal/feedback"
	"sourire/internal/wire"
)

// HubPrefix begins the client id of every connection of a hub. The underscore
// cannot be part of a kiosk's id.
const HubPrefix = "hub_"

// Role is what a connection may do. The zero Role may do nothing and is
// refused.
type Role struct {
	hub   bool
	kiosk feedback.KioskID
}

// Hub is the role of the hub.
func Hub() Role { return Role{hub: true} }

// Kiosk is the role of one kiosk. An id that is not of the form of a kiosk's
// gives the zero Role: a dot or a space in a topic would mean something to the
// server. So does "hub", for that kiosk's state would be the hub's.
func Kiosk(id string) Role {
	k, err := feedback.ParseKioskID(id)
	if err != nil || wire.Topic(k, wire.TopicState) == wire.HubState {
		return Role{}
	}
	return Role{kiosk: k}
}

// mayBe reports whether a connection with this role may carry a client id.
func (r Role) mayBe(clientID string) bool {
	if r.hub {
		return strings.HasPrefix(clientID, HubPrefix)
	}
	return r.kiosk != "" && clientID == string(r.kiosk)
}

// permissions are the topics of a role. The server separates levels by dots and
// writes ">" for any number of them.
func (r Role) permissions() *server.Permissions {
	if r.hub {
		all := []string{"sourire", "sourire.>"} // MQTT's sourire/# is both
		return &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: all},
			Subscribe: &server.SubjectPermission{Allow: all},
		}
	}
	subject := func(topic string) string { return strings.ReplaceAll(topic, "/", ".") }
	own := func(leaves ...string) []string {
		subjects := make([]string, len(leaves))
		for i, leaf := range leaves {
			subjects[i] = subject(wire.Topic(r.kiosk, leaf))
		}
		return subjects
	}
	return &server.Permissions{
		Publish: &server.SubjectPermission{
			Allow: own(wire.TopicJournal, wire.TopicState, wire.TopicHealth, wire.TopicReply),
		},
		Subscribe: &server.SubjectPermission{
			Allow: append(own(wire.TopicAck, wire.TopicPlan, wire.TopicCommand), subject(wire.HubState)),
		},
	}
}

// door decides who comes in. The server calls Check from the connections' own
// goroutines.
type door struct {
	authorize func(Login) (Role, bool)
	server    *server.Server // set before the server starts

	mu        sync.Mutex
	last      map[string]uint64 // client id: its newest connection
	takeOvers map[string]int
	refused   uint64
}

// Check implements server.Authentication.
func (d *door) Check(c server.ClientAuthentication) bool {
	opts := c.GetOpts()
	role, ok := d.authorize(Login{opts.Username, opts.Password, commonName(c.GetTLSConnectionState())})
	clientID := d.clientID(c)
	if ok = ok && role.mayBe(clientID); ok {
		c.RegisterUser(&server.User{Username: opts.Username, Permissions: role.permissions()})
	}
	d.count(ok, clientID, c.GetID())
	return ok
}

// commonName returns whom a verified client certificate names, "" without one.
func commonName(state *tls.ConnectionState) string {
	if state == nil || len(state.VerifiedChains) == 0 {
		return ""
	}
	return state.VerifiedChains[0][0].Subject.CommonName
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

// clientID finds the MQTT client id of a connection, or "". By the time of Check
// the server has read it, on the same goroutine.
func (d *door) clientID(c server.ClientAuthentication) string {
	if id, ok := fieldID(c); ok {
		return id
	}
	return d.askedID(c.GetID())
}

// fieldID looks at the server's own field. It reports false for a server that has
// none of that name.
func fieldID(c server.ClientAuthentication) (string, bool) {
	v := reflect.ValueOf(c)
	for _, field := range []string{"mqtt", "cid"} {
		if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
			return "", false
		}
		v = v.Elem().FieldByName(field)
	}
	return v.String(), v.Kind() == reflect.String
}

// askedID asks the server, which copies its table of connections to answer.
func (d *door) askedID(connection uint64) string {
	found, err := d.server.Connz(&server.ConnzOptions{CID: connection})
	if err != nil || len(found.Conns) != 1 {
		return ""
	}
	return found.Conns[0].MQTTClient
}
