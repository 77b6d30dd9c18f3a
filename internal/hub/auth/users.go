package auth

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"golang.org/x/crypto/bcrypt"
	"k8s.io/apimachinery/pkg/util/cache"
)

const (
	// maxCost bounds the time a password takes: at 14 about a second.
	maxCost = 14
	// parallelPasswords bounds how many are checked at once, since each takes a core.
	parallelPasswords = 2
	maxUsers          = 10_000
)

// account is a line of the file.
type account struct {
	hash   []byte
	groups []string
}

// parseUsers reads lines name:hash or name:hash:group,group, with hashes of bcrypt as htpasswd -B writes them.
func parseUsers(content []byte) (map[string]account, error) {
	accounts := map[string]account{}
	number := 0
	for line := range bytes.SplitSeq(content, []byte("\n")) {
		number++
		text := strings.TrimSpace(string(line))
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		fields := strings.Split(text, ":")
		if len(fields) < 2 || len(fields) > 3 || fields[0] == "" {
			// That includes the names and groups of system:, which nobody may have by this file: they have colons.
			return nil, fmt.Errorf("line %d is not name:hash or name:hash:group,group", number)
		}
		name := fields[0]
		cost, err := bcrypt.Cost([]byte(fields[1]))
		switch {
		case err != nil:
			return nil, fmt.Errorf("line %d (%s): the hash is not one of bcrypt, as htpasswd -B writes", number, name)
		case cost > maxCost:
			return nil, fmt.Errorf("line %d (%s): the hash has cost %d, more than %d", number, name, cost, maxCost)
		case len(accounts) == maxUsers:
			return nil, fmt.Errorf("line %d: it has more than %d users", number, maxUsers)
		}
		if _, twice := accounts[name]; twice {
			return nil, fmt.Errorf("line %d: user %s occurs twice", number, name)
		}
		entry := account{hash: []byte(fields[1])}
		if len(fields) == 3 && fields[2] != "" {
			entry.groups = strings.Split(fields[2], ",")
		}
		for _, group := range entry.groups {
			if strings.TrimSpace(group) != group || group == "" {
				return nil, fmt.Errorf("line %d (%s): a group is empty or has spaces around it", number, name)
			}
		}
		accounts[name] = entry
	}
	return accounts, nil
}

// users checks passwords.
type users struct {
	file *watched[map[string]account]
	// good are passwords that were right, by a hash that nobody else can make: bcrypt is too slow for each request.
	good *cache.LRUExpireCache
	key  [32]byte
	// nobody is checked when there is no such user, so that it takes as long.
	nobody []byte
	turns  chan struct{}
}

func newUsers(file *watched[map[string]account], now clock) (*users, error) {
	u := &users{file: file, good: cache.NewLRUExpireCacheWithClock(maxTokens, now), turns: make(chan struct{}, parallelPasswords)}
	if _, err := rand.Read(u.key[:]); err != nil {
		return nil, fmt.Errorf("making a key for passwords: %w", err)
	}
	var err error
	if u.nobody, err = bcrypt.GenerateFromPassword(u.key[:], bcrypt.DefaultCost); err != nil {
		return nil, fmt.Errorf("making a hash for passwords of nobody: %w", err)
	}
	return u, nil
}

func (u *users) check(ctx context.Context, name, password string) (user, error) {
	entry, known := u.file.get()[name]
	hash := entry.hash
	if !known {
		hash = u.nobody
	}
	// The lengths keep what is joined apart; the hash forgets a password that was changed.
	remembered := sha256.Sum256(fmt.Appendf(u.key[:], "%d:%s%d:%s%s", len(name), name, len(password), password, hash))
	who := user{Username: name, Groups: entry.groups}
	if _, ok := u.good.Get(remembered); ok && known {
		return who, nil
	}
	select {
	case <-ctx.Done():
		return user{}, ctx.Err()
	case u.turns <- struct{}{}:
	}
	err := bcrypt.CompareHashAndPassword(hash, []byte(password))
	<-u.turns
	switch {
	case !known || errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) || errors.Is(err, bcrypt.ErrPasswordTooLong):
		return user{}, unauthenticated("name or password is wrong")
	case err != nil:
		return user{}, &Refusal{Reason: Unavailable, Detail: "the password could not be checked", Cause: err}
	}
	u.good.Add(remembered, nil, believed)
	return who, nil
}

// private tells whether nobody listens on the way.
func private(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
