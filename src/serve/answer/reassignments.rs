//! ListPartitionReassignments: nothing is on its way to another broker.

use super::Response;
use crate::serve::wire::errors::ErrorCode;
use crate::serve::wire::reassignments::ListPartitionReassignmentsResponse;
use crate::serve::wire::writer::Writer;

/// None.
pub fn reassignments() -> ListPartitionReassignmentsResponse<'static> {
    ListPartitionReassignmentsResponse { error_code: ErrorCode::NONE, error_message: None }
}

impl Response for ListPartitionReassignmentsResponse<'_> {
    fn write(&self, w: &mut Writer) {
        self.write(w);
    }

    fn errors(&self, each: &mut dyn FnMut(ErrorCode)) {
        each(self.error_code);
    }
}
