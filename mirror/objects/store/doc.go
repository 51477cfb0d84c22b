// Package store opens an object store by its URL: s3://BUCKET/PREFIX or file:///FOLDER.
package store
