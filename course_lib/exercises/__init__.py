"""One folder per chapter, one file per exercise; found by name through course_lib.practice.checks.finding."""
