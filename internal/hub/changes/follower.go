package changes

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
)

// Follower is somebody who wants to know of changes. It is for one goroutine.
type Follower struct {
	store *Store
	place uint64
	lost  bool
}

// Follow begins with the changes after a place that Place told, or with those that come from now on when it is empty. When changes since
// that place are not known any more, or the place is of another process, the first Next says that some were lost. Leave must be called.
func (s *Store) Follow(after string) *Follower {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.followers++
	f := &Follower{store: s, place: s.place}
	if after != "" {
		place, ok := s.opened(after)
		if f.lost = !ok || place > s.place; !f.lost {
			f.place = place
		}
	}
	return f
}

// Next is what came after what it told before, at most limit changes. Lost tells that some before them are not known any more: then all
// must be listed again. When there is nothing, more is closed as soon as there is.
func (f *Follower) Next(limit int) (batch []Change, lost bool, more <-chan struct{}) {
	s := f.store
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.place - uint64(len(s.window))
	if lost = f.lost || f.place < first; lost {
		// What is in the window will be in the list.
		f.lost, f.place = false, s.place
		return nil, true, s.came
	}
	rest := s.window[f.place-first:]
	batch = append(batch, rest[:min(limit, len(rest))]...)
	f.place += uint64(len(batch))
	return batch, false, s.came
}

// Place is where to go on from after all that Next told, and After where to go on after one change. Nothing can be read from it: how much
// changes in all is not for everybody.
func (f *Follower) Place() string { return f.store.seal(f.place) }

// After is Place after a change.
func (f *Follower) After(c *Change) string { return f.store.seal(c.place) }

// Leave ends following.
func (f *Follower) Leave() {
	s := f.store
	s.mu.Lock()
	defer s.mu.Unlock()
	s.followers--
	s.left = s.now()
}

// newSeal makes a key that lasts as long as the process, whose places mean nothing to another one.
func newSeal() (cipher.AEAD, error) {
	var key [16]byte
	_, _ = rand.Read(key[:]) // it does not fail: it ends the process
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("making a key for places in what changed: %w", err)
	}
	sealed, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("making a key for places in what changed: %w", err)
	}
	return sealed, nil
}

func (s *Store) seal(place uint64) string {
	var plain [8]byte
	binary.BigEndian.PutUint64(plain[:], place)
	return base64.RawURLEncoding.EncodeToString(s.sealed.Seal(nil, nil, plain[:], nil))
}

func (s *Store) opened(text string) (place uint64, ok bool) {
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return 0, false
	}
	plain, err := s.sealed.Open(nil, nil, sealed, nil)
	if err != nil || len(plain) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(plain), true
}
