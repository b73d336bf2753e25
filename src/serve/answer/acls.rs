//! DescribeAcls: what a broker without an authorizer says.

use super::Response;
use crate::serve::wire::acls::DescribeAclsResponse;
use crate::serve::wire::errors::ErrorCode;
use crate::serve::wire::writer::Writer;

/// Nobody keeps rules here.
pub fn acls() -> DescribeAclsResponse<'static> {
    DescribeAclsResponse {
        error_code: ErrorCode::SECURITY_DISABLED,
        error_message: Some("no authorizer: seg serve only reads"),
    }
}

impl Response for DescribeAclsResponse<'_> {
    fn write(&self, w: &mut Writer) {
        self.write(w);
    }

    fn errors(&self, each: &mut dyn FnMut(ErrorCode)) {
        each(self.error_code);
    }
}
