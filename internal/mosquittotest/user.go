package mosquittotest

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
)

// writeUsers writes Mosquitto's password and access lists. The passwords are in
// its own "$7$" form: PBKDF2 with SHA-512, 64 bytes.
func (b *Broker) writeUsers() error {
	const iterations = 101 // Mosquitto's default
	var passwords, acl strings.Builder
	for _, u := range b.options.Users {
		salt := make([]byte, 12)
		rand.Read(salt)
		hash, err := pbkdf2.Key(sha512.New, u.Password, salt, iterations, 64)
		if err != nil {
			return fmt.Errorf("password of %s: %w", u.Name, err)
		}
		encode := base64.StdEncoding.EncodeToString
		fmt.Fprintf(&passwords, "%s:$7$%d$%s$%s\n", u.Name, iterations, encode(salt), encode(hash))
		if u.Hub {
			fmt.Fprintf(&acl, "user %s\ntopic readwrite sourire/#\n\n", u.Name)
			continue
		}
		fmt.Fprintf(&acl, "user %s\ntopic read sourire/1/hub/state\n", u.Name)
		for _, level := range []string{"journal", "state", "health", "reply"} {
			fmt.Fprintf(&acl, "topic write sourire/1/%s/%s\n", u.Name, level)
		}
		for _, level := range []string{"ack", "plan", "command"} {
			fmt.Fprintf(&acl, "topic read sourire/1/%s/%s\n", u.Name, level)
		}
		fmt.Fprintln(&acl)
	}
	if err := os.WriteFile(b.path("passwords"), []byte(passwords.String()), 0o600); err != nil {
		return err
	}
	return os.WriteFile(b.path("acl"), []byte(acl.String()), 0o600)
}
