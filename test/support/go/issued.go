// What Go's crypto/x509 reads in certificates and CRLs that were issued.

package main

import (
	"crypto/x509"
	"fmt"
	"net"
	"time"
)

// issued holds what Go read in a certificate or a CRL.
type issued struct {
	Serial     string   `json:"serial"`
	Subject    string   `json:"subject"`
	NotBefore  string   `json:"notBefore"`
	NotAfter   string   `json:"notAfter"`
	CA         bool     `json:"ca"`
	PathLength int      `json:"pathLength"`
	KeyUsage   int      `json:"keyUsage"`
	Purposes   []int    `json:"purposes"`
	Names      []string `json:"names"`
	Permitted  []string `json:"permitted"`
	Unhandled  int      `json:"unhandled"`
	Number     string   `json:"number"`
	Revoked    []string `json:"revoked"`
}

func readCertificate(der []byte) (*issued, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	read := &issued{
		Serial: fmt.Sprintf("%X", c.SerialNumber), Subject: c.Subject.String(),
		NotBefore: text(c.NotBefore), NotAfter: text(c.NotAfter),
		CA: c.BasicConstraintsValid && c.IsCA, PathLength: c.MaxPathLen, KeyUsage: int(c.KeyUsage),
		Unhandled: len(c.UnhandledCriticalExtensions), Names: append([]string{}, c.DNSNames...),
		Permitted: constraints(c.PermittedDNSDomains, c.PermittedIPRanges),
	}
	for _, purpose := range c.ExtKeyUsage {
		read.Purposes = append(read.Purposes, int(purpose))
	}
	for _, address := range c.IPAddresses {
		read.Names = append(read.Names, address.String())
	}
	for _, uri := range c.URIs {
		read.Names = append(read.Names, uri.String())
	}
	return read, nil
}

func constraints(domains []string, ranges []*net.IPNet) []string {
	all := []string{}
	for _, domain := range domains {
		all = append(all, "dns:"+domain)
	}
	for _, network := range ranges {
		all = append(all, "ip:"+network.String())
	}
	return all
}

// readCRL verifies the signature with the CA's key, too.
func readCRL(der, issuer []byte) (*issued, error) {
	ca, err := x509.ParseCertificate(issuer)
	if err != nil {
		return nil, err
	}
	crl, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, err
	}
	read := &issued{NotBefore: text(crl.ThisUpdate), Number: crl.Number.String(), Revoked: []string{}}
	for _, entry := range crl.RevokedCertificateEntries {
		read.Revoked = append(read.Revoked, fmt.Sprintf("%X %d", entry.SerialNumber, entry.ReasonCode))
	}
	return read, crl.CheckSignatureFrom(ca)
}

func text(at time.Time) string {
	return at.UTC().Format(time.RFC3339)
}
