//! The objects a COPY reads.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectError;
use bytes::Bytes;

use super::command::Copy;
use super::manifest::{self, Listed};
use super::problem::{DOES_NOT_FIT, Problem, UNREADABLE};

/// The largest object that is read: the stand-in holds one at a time in memory.
const LARGEST_OBJECT: i64 = 512 << 20;

/// The files that a COPY is to load, in order.
pub(crate) async fn files(client: &Client, copy: &Copy) -> Result<Vec<Listed>, Problem> {
    let url = format!("s3://{}/{}", copy.bucket, copy.key);
    if copy.manifest {
        let object =
            Listed { bucket: copy.bucket.clone(), key: copy.key.clone(), mandatory: true, content_length: None };
        let Some(bytes) = read(client, &object).await? else {
            return Err(unreadable(&url, "The specified key does not exist."));
        };
        return manifest::parse(&url, &bytes);
    }
    // Without MANIFEST the path is what keys begin with.
    let mut found = Vec::new();
    let mut pages = client.list_objects_v2().bucket(&copy.bucket).prefix(&copy.key).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| unreadable(&url, &told(&error)))?;
        for object in page.contents() {
            let Some(key) = object.key() else { continue };
            if object.size() == Some(0) && key.ends_with('/') {
                continue;
            }
            found.push(Listed {
                bucket: copy.bucket.clone(),
                key: key.to_owned(),
                mandatory: true,
                content_length: None,
            });
        }
    }
    if found.is_empty() {
        return Err(unreadable(&url, "The specified S3 prefix does not exist."));
    }
    Ok(found)
}

/// The object's bytes; `None` if it is not there and need not be.
pub(crate) async fn read(client: &Client, listed: &Listed) -> Result<Option<Bytes>, Problem> {
    let url = listed.url();
    let object = match client.get_object().bucket(&listed.bucket).key(&listed.key).send().await {
        Ok(object) => object,
        Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => {
            return if listed.mandatory {
                Err(unreadable(&url, "The specified key does not exist."))
            } else {
                Ok(None)
            };
        }
        Err(error) => return Err(unreadable(&url, &told(&error))),
    };
    let length = object.content_length().unwrap_or(0);
    if length > LARGEST_OBJECT {
        return Err(unreadable(
            &url,
            &format!("the stand-in reads objects of up to {LARGEST_OBJECT} bytes, not of {length}"),
        ));
    }
    if let Some(expected) = listed.content_length.filter(|expected| *expected != length) {
        return Err(Problem::of_file(
            DOES_NOT_FIT,
            &url,
            format!(
                "The content_length in the manifest does not match the size of the file. Manifest: {expected}, file: {length}, File name: {url}"
            ),
        ));
    }
    let body = object.body.collect().await.map_err(|error| unreadable(&url, &error.to_string()))?;
    Ok(Some(body.into_bytes()))
}

fn unreadable(url: &str, why: &str) -> Problem {
    Problem::of_file(UNREADABLE, url, format!("S3 Query Exception (Fetch). {why} File name: {url}"))
}

/// What S3 says, or why it says nothing.
fn told<E, R>(error: &SdkError<E, R>) -> String
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
    R: std::fmt::Debug,
{
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}."),
        (Some(code), None) => format!("{code}."),
        (None, _) => DisplayErrorContext(error).to_string(),
    }
}
