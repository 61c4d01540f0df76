// Errors, put beside the field they concern. props.value is {field, message, allowed} or null.
watch("value", () => window.synfer.complain(props.value));
