// What etcd makes of CRLs: its two versions of checkCRL (client/pkg/transport/listener_tls.go), which differ in the parser of
// Go's that each uses.

package main

import (
	"crypto/x509"
	"fmt"
	"math/big"
)

// crlQuestion is a file and the serial numbers of the certificates that a client sends, as INTEGER octets.
type crlQuestion struct {
	File    []byte   `json:"file"`
	Serials [][]byte `json:"serials"`
}

// crlAnswer holds the words by which each version refuses the client; they are empty where it is let in.
type crlAnswer struct {
	// V35 is etcd up to 3.5.
	V35 string `json:"v35"`
	// V36 is etcd from 3.6 on.
	V36 string `json:"v36"`
}

func checkCRL(asked crlQuestion) (crlAnswer, error) {
	return crlAnswer{V35: v35(asked), V36: v36(asked)}, nil
}

func v35(asked crlQuestion) string {
	list, err := x509.ParseCRL(asked.File) //lint:ignore SA1019 it is what etcd 3.5 uses
	if err != nil {
		return err.Error()
	}
	revoked := make(map[string]bool)
	for _, entry := range list.TBSCertList.RevokedCertificates {
		revoked[string(entry.SerialNumber.Bytes())] = true
	}
	return refused(revoked, asked)
}

func v36(asked crlQuestion) string {
	list, err := x509.ParseRevocationList(asked.File)
	if err != nil {
		return err.Error()
	}
	revoked := make(map[string]bool)
	for _, entry := range list.RevokedCertificateEntries {
		revoked[string(entry.SerialNumber.Bytes())] = true
	}
	return refused(revoked, asked)
}

func refused(revoked map[string]bool, asked crlQuestion) string {
	for _, octets := range asked.Serials {
		serial := new(big.Int).SetBytes(octets)
		if revoked[string(serial.Bytes())] {
			return fmt.Sprintf("transport: certificate serial %x revoked", serial.Bytes())
		}
	}
	return ""
}
