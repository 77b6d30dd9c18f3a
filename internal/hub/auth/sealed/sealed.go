// Package sealed makes texts of values that somebody else carries, such as a browser in a cookie: whoever has one can neither read nor change
// it, nor use it for another purpose.
//
// A value is JSON, compressed, and encrypted by AES-256-GCM, with a key for the purpose that is derived from the first of the keys. What was
// sealed with one of the others is opened as well, so that keys can be replaced.
package sealed

import (
	"bytes"
	"compress/flate"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// minKey is how many bytes a key has at least, maxKeys how many keys there may be: what is opened is tried with each.
	minKey  = 32
	maxKeys = 10
	// maxValue bounds a value, as JSON.
	maxValue = 1 << 20
	// version is what a text begins with.
	version = "1."
)

// ErrNot is a text that was not sealed with one of the keys for this purpose.
var ErrNot = errors.New("it was not sealed here, or has been changed")

// Keys seal and open. They are safe for concurrent use.
type Keys struct{ secrets [][]byte }

// Random is a key that nobody else has and that ends with the process.
func Random() *Keys {
	key := make([]byte, minKey)
	// It never fails.
	_, _ = rand.Read(key)
	return &Keys{[][]byte{key}}
}

// ParseKeys reads lines of base64, each a key of 32 bytes or more, as openssl rand -base64 32 writes them. Lines that begin with # are left out.
// An error has no key in it.
func ParseKeys(content []byte) (*Keys, error) {
	keys := &Keys{}
	number := 0
	for line := range strings.SplitSeq(string(content), "\n") {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		secret, err := base64.StdEncoding.DecodeString(line)
		switch {
		case err != nil:
			return nil, fmt.Errorf("line %d is not base64, as openssl rand -base64 32 writes it", number)
		case len(secret) < minKey:
			return nil, fmt.Errorf("line %d is a key of %d bytes, less than %d", number, len(secret), minKey)
		case len(keys.secrets) == maxKeys:
			return nil, fmt.Errorf("line %d: there are more than %d keys", number, maxKeys)
		}
		keys.secrets = append(keys.secrets, secret)
	}
	if len(keys.secrets) == 0 {
		return nil, errors.New("there is no key in it: openssl rand -base64 32 writes one")
	}
	return keys, nil
}

// Seal makes a text of a value, of letters, digits and -_. only.
func (k *Keys) Seal(purpose string, value any) (string, error) {
	plain, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("encoding what is to be sealed: %w", err)
	}
	if len(plain) > maxValue {
		return "", fmt.Errorf("what is to be sealed has %d bytes, more than %d", len(plain), maxValue)
	}
	var small bytes.Buffer
	w, err := flate.NewWriter(&small, flate.BestCompression)
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return "", fmt.Errorf("compressing what is to be sealed: %w", err)
	}
	box, err := box(k.secrets[0], purpose)
	if err != nil {
		return "", err
	}
	return version + base64.RawURLEncoding.EncodeToString(box.Seal(nil, nil, small.Bytes(), nil)), nil
}

// Open reads a text that Seal made for the same purpose into a value; the error is ErrNot for any other.
func (k *Keys) Open(purpose, text string, value any) error {
	encoded, ok := strings.CutPrefix(text, version)
	if !ok {
		return ErrNot
	}
	closed, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return ErrNot
	}
	for _, secret := range k.secrets {
		box, err := box(secret, purpose)
		if err != nil {
			return err
		}
		small, err := box.Open(nil, nil, closed, nil)
		if err != nil {
			continue
		}
		plain, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(small)), maxValue))
		if err == nil {
			err = json.Unmarshal(plain, value)
		}
		if err != nil {
			return fmt.Errorf("reading what was sealed: %w", err)
		}
		return nil
	}
	return ErrNot
}

func box(secret []byte, purpose string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "assay hub, sealed for "+purpose, 32)
	if err != nil {
		return nil, fmt.Errorf("deriving a key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("making a cipher: %w", err)
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("making a cipher: %w", err)
	}
	return gcm, nil
}
